"""Credit event hub: carries administrative decisions to publication platforms."""

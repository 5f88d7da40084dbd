"""With processes killed and disks lost."""

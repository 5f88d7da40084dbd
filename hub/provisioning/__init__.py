"""Topics, users, rights and processes of a site."""

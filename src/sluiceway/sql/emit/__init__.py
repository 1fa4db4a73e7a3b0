"""How each dialect writes our primitives: one file a dialect, the same names in all of them."""

"""Several API processes behind one port."""

"""The node's parameters: the table, files, descriptions and what is made of them."""

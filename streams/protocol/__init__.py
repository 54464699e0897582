"""What both ends of a connection speak: records and maps as bytes, the sockets, and whose keys and names are taken."""

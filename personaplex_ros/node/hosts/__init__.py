"""What every host of the node needs: its protocol, names, messages, command line and ending."""

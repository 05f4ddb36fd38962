"""A server with which clients hold conversations over the network; knows no ROS.

What all protocols share is here: sessions on one model, limits, who may come in. A protocol is a
folder beside it that knows these files; none of them knows a protocol.
"""

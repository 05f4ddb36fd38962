"""The server many times over, on Ray Serve: a replica a GPU, one address for all of them.

Only `application.py` and `running.py` import Ray, when a fleet is asked for.
"""

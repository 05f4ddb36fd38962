"""TurnBench (arXiv 2608.25218): when a turn ends and when somebody takes it, scored as events.

Its folders, its truth from several annotators and its score, written from the definitions.
"""

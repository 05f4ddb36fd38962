"""The codec's encoder learns voices that it was not made with, for a model that is finished."""

"""What both managed services run for real: a training, and a program that answers.

The local Azure has one small model for every model that Azure tunes and serves.
"""

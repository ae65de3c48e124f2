"""Experiment trackers: they listen to the events of a training and copy files of its run folder.

``tracked`` is the way in. A library of a tracker is imported only if the user asked for it.
"""

"""The audit of the photos: its checks and the measurements that they share."""

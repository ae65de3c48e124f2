"""The effect of disturbed photos and swapped backgrounds on decisions."""

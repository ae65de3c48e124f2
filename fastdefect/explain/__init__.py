"""Where a network looks: heat maps by several methods, and whether they are true."""

"""Plugins under load, while ThreadSanitizer looks for data races. `script/races` starts it.

- `clients.py`: what the clients do
- `preloaded.c`: what this compiler calls and gcc's runtime does not have
- `suppressions`: what is reported and is no race of ours, each with its reason
- `__main__.py`: a server after the other, and what was reported
"""

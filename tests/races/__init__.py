"""Plugins under load, while ThreadSanitizer looks for data races. `script/races` starts it.

- `clients.py`: what the clients do
- `preloaded.c`: functions that this compiler calls and gcc's runtime lacks
- `suppressions`: reports that are not our races, each with its reason
- `__main__.py`: one server after another, and the reports
"""

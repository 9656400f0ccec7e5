"""edge-app: point a camera at things and get labels you can trust, from a service that stays up.

Importing the package loads no camera library, no runtime and no training library; each room does so when it is used.
"""

__version__ = "0.1.0"

"""`Chancy`: what an application holds."""

from chancy_core.app.chancy import Chancy

__all__ = ["Chancy"]

"""Letters: what mails say, as HTML and as plain text, in the reader's language."""

from notification_service.letters.composing import Composer, Letter, Links

__all__ = ["Composer", "Letter", "Links"]

"""Text from data and documents, put into Markdown so that it stays text."""


def harmless(text: object) -> str:
    """One line without markup: notes may be written by fraudsters, and column names come from files."""
    plain = " ".join(str(text).split())
    for mark, replacement in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        plain = plain.replace(mark, replacement)
    return plain

"""Commands of `frauddesk`, one file a subject. Heavy imports stand inside each command."""

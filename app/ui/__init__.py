"""The analysts' page: Gradio, one file a page; everything from documents, models and uploads is escaped."""

"""A page in the browser on which a trained model can be tried (extra `page`)."""

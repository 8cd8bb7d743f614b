"""What people and scripts read: the API and the pages, one FastAPI app."""

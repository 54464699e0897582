"""What is written of results: tables, pictures, reports."""

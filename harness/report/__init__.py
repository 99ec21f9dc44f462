"""Tables, charts and pages as text; the caller prints them."""

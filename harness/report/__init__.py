"""Tables, charts and pages as text; somebody else prints them."""

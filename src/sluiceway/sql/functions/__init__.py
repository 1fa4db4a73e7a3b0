"""Functions of users' SQL on other engines: for each a table of what it takes and how it is written."""

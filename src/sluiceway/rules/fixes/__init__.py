"""One file a fix: how a value that breaks a rule is put right."""

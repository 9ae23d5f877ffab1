"""One file per kind of document: how it opens, how long it goes on, how it ends. Each defines KIND."""

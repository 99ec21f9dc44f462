"""What a run leaves on disk: journal, transcript, candidate folders; and recovery from them."""

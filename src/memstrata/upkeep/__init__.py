"""What happens when nobody asks: owed work is settled, what expired or was deleted leaves the files."""

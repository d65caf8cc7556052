"""What calls us: the command line, and the asynchronous face of the engine."""

"""What any long-running command needs: a config file, a log, a service manager told."""

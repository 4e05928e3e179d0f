"""What tether is told and what it tells: the configuration file, the log, the metrics."""

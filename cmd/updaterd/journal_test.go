package main

import "log/slog"

func logEverything(*slog.Logger) {}

"""The desk: settings, command line, service and pages. Wires the other packages together."""

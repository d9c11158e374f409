"""The browser page: `cpwc-keras app`."""

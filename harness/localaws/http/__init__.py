"""HTTP as the local AWS speaks it: the proxy, certificates, host names, and each request with its one operation."""

"""HTTP of the local AWS: the proxy, certificates, host names, requests, answers, requests to moto."""

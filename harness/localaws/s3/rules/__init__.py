"""S3's own rules in front of moto: regions, names, documents, parameters, conditions, versions, uploads, lists."""

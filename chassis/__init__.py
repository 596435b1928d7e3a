"""What every Parterre process is built of: lifecycle, database, broker, gRPC, identity, telemetry.

The *microservice chassis* pattern: no business noun is spoken here.
"""

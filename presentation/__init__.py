"""How Parterre's objects look outside: the API's JSON, tickets on paper, dates for calendars.

Pure functions over the contracts in `protos/`. The gateway answers with them, and
notification_service puts the same into mails and webhooks. No I/O here, and no rule of any service.
"""

"""What people are told, by mail and in the app: docs/notifications.md."""

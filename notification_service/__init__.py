"""What people are told, by mail: docs/notifications.md."""

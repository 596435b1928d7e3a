"""The web page: ES modules, styles and icons, served by the gateway as they stand."""

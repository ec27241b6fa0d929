"""The front: HTTP and WebSocket below ASGI, within limits that hold before anybody has signed in."""

from shop import app

with app.connection_for_read() as connection:
    redis = connection.default_channel.client
    waiting = sum(redis.llen(queue) for queue in ("celery", "mail"))
    # What a worker has taken and not begun: it waits in its memory, for a free process or for its countdown.
    taken = redis.hlen("unacked")
print(waiting + taken, "left")

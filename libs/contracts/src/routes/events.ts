import { FollowEvents } from '../events.js';
import { route } from '../route.js';

export const eventRoutes = {
  stream: route({
    method: 'GET',
    path: '/api/v1/events',
    summary:
      'Follow what changes, as far as the token may read it: a `change` event with a ChangeEvent each; resumes after Last-Event-ID',
    access: 'authenticated',
    status: 200,
    query: FollowEvents,
    responseMedia: 'event-stream',
  }),
};

/** The gateway's own specs once more, with every request in the lane of node:http. */
process.env['TEST_FAST_LANE'] = 'false';
await import('./gateway-hazards.spec.js');
await import('./gateway-overload.spec.js');
await import('./gateway-observability.spec.js');

//! DescribeLogDirs (key 35) and AlterReplicaLogDirs (34). Where the directory is, and how much room
//! its volume has, the shell knows.

use super::shared::{DecodeCx, by_topic, error_codes, topic_name, tp};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest,
    DescribeLogDirsResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::DescribeLogDirs(DescribeLogDirsRequest { partitions })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &DescribeLogDirsResponse,
) {
    let dir = cluster.log_dir();
    out.i32(0); // throttle time
    if call.version >= 3 {
        out.error(ErrorCode::None);
    }
    out.array([dir].into_iter(), |out, dir| {
        out.error(ErrorCode::None);
        out.string(dir);
        out.by_topic(
            &response.replicas,
            |replica| replica.tp.topic,
            |out, id| topic_name(out, call, cluster, id),
            |out, replica| {
                out.i32(replica.tp.partition);
                out.i64(replica.size_bytes);
                out.i64(replica.offset_lag);
                out.bool(false); // nothing moves to another directory
                out.no_tags();
            },
        );
        if call.version >= 4 {
            let (total, usable) = cluster.log_dir_room().unwrap_or((-1, -1));
            out.i64(total);
            out.i64(usable);
        }
        out.no_tags();
    });
    out.no_tags();
}

pub(crate) fn decode_alter(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let mut partitions = Vec::new();
    let own = cx.cluster.log_dir();
    reader.array(|reader| {
        let path = reader.string()?;
        let is_known_dir = *path == *own;
        let named = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
        let named = named.ok_or(WireError::Null)?;
        partitions.extend(named.into_iter().map(|tp| (tp, is_known_dir)));
        reader.skip_tags()
    })?;
    reader.skip_tags()?;
    let request = AlterReplicaLogDirsRequest { partitions };
    Ok(Asked::Broker(Request::AlterReplicaLogDirs(request)))
}

pub(crate) fn encode_alter(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &AlterReplicaLogDirsResponse,
) {
    out.i32(0); // throttle time
    error_codes(out, call, cluster, &response.partitions, |error| error);
    out.no_tags();
}
